/** The ceiling of what an environment may cost. */

import { CfnBudget } from "aws-cdk-lib/aws-budgets";
import type { Construct } from "constructs";

/** The ceiling of a month, and the address for its messages. */
export interface BudgetProps {
  readonly name: string;
  readonly usdPerMonth: number;
  /** Address for the messages. They do not use the alarm topic, because mail needs no confirmed subscription. */
  readonly email: string;
}

/**
 * Sends a message when 80 % of the ceiling is spent, and when the forecast reaches the ceiling.
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
