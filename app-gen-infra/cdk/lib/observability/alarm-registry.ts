/** The one way to make an alarm: with a severity, a section in the runbook, and a topic that notifies somebody. */

import {
  Alarm,
  type CreateAlarmOptions,
  type IAlarm,
  type MathExpression,
  type Metric,
} from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";

/** The runbook; each alarm has a section there. */
export const RUNBOOK = "docs/operations.md";

/** How fast somebody has to look: users are cut off now, or something needs a day's attention. */
export type Severity = "urgent" | "soon";

/** What an alarm is. */
export interface AlarmSpec extends Omit<CreateAlarmOptions, "alarmName" | "alarmDescription" | "actionsEnabled"> {
  readonly severity: Severity;
  /** One sentence in the reader's words: what the alarm means. */
  readonly summary: string;
  readonly metric: Metric | MathExpression;
}

/** Makes alarms and remembers them for the dashboard. */
export class AlarmRegistry {
  /** The alarms, referred to by name: the dashboard shows an alarm even while it does not exist. */
  readonly alarms: IAlarm[] = [];
  readonly #scope: Construct;
  readonly #prefix: string;
  readonly #topic: ITopic;

  constructor(scope: Construct, prefix: string, topic: ITopic) {
    this.#scope = scope;
    this.#prefix = prefix;
    this.#topic = topic;
  }

  /** Adds an alarm. `id` in kebab case is its name and the anchor of its section in the runbook. */
  add(id: string, spec: AlarmSpec): void {
    const { severity, summary, metric, ...options } = spec;
    const alarmName = `${this.#prefix}${id}`;
    const alarm = metric.createAlarm(this.#scope, id, {
      ...options,
      alarmName,
      alarmDescription: `[${severity}] ${summary} Runbook: ${RUNBOOK}#${id}`,
    });
    const action = new SnsAction(this.#topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
    this.alarms.push(Alarm.fromAlarmName(this.#scope, `${id}-by-name`, alarmName));
  }
}
