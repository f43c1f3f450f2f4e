/** The ceiling of what an environment may cost. */

import { CfnBudget } from "aws-cdk-lib/aws-budgets";
import type { Construct } from "constructs";

/** What is told of a month's cost. */
export interface BudgetProps {
  readonly name: string;
  readonly usdPerMonth: number;
  /** Who is told. By mail, not by the alarm topic: mail needs no confirmed subscription. */
  readonly email: string;
}

/**
 * Tells of 80 % of the ceiling when it is spent, and of all of it when it is foreseen.
 * Every environment has an account of its own, so the account's whole cost counts.
 */
export function createBudget(scope: Construct, { name, usdPerMonth, email }: BudgetProps): void {
  const notification = (notificationType: "ACTUAL" | "FORECASTED", threshold: number) => ({
    notification: { notificationType, threshold, thresholdType: "PERCENTAGE", comparisonOperator: "GREATER_THAN" },
    subscribers: [{ subscriptionType: "EMAIL", address: email }],
  });
  new CfnBudget(scope, "Budget", {
    budget: {
      budgetName: name,
      budgetType: "COST",
      timeUnit: "MONTHLY",
      budgetLimit: { amount: usdPerMonth, unit: "USD" },
    },
    notificationsWithSubscribers: [notification("ACTUAL", 80), notification("FORECASTED", 100)],
  });
}
