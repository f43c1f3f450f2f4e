/**
 * IAM's evaluation of identity policies, as far as the policies here use it: no
 * denials, no `Not…`, no variables. What it does not know it refuses to judge.
 */

/** A statement of a policy. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A call as IAM sees it. */
export interface Call {
  readonly action: string;
  readonly resource: string;
  /** Condition keys that the service fills in. */
  readonly context?: Readonly<Record<string, string>>;
}

const KNOWN_KEYS = ["Sid", "Effect", "Action", "Resource", "Condition"];

/** The items of what may be one item. */
export function list<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}

/** Whether the statement allows the call. */
export function allows(statement: Statement, call: Call): boolean {
  const unknown = Object.keys(statement).filter((key) => !KNOWN_KEYS.includes(key));
  if (statement.Effect !== "Allow" || unknown.length > 0) {
    throw new Error(`a statement that cannot be judged: ${JSON.stringify(statement)}`);
  }
  return (
    list(statement.Action).some((action) => matches(action.toLowerCase(), call.action.toLowerCase())) &&
    list(statement.Resource).some((resource) => matches(resource, call.resource)) &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
      Object.entries(keys).every(([key, expected]) => holds(operator, expected, call.context?.[key])),
    )
  );
}

function holds(operator: string, expected: string, actual: string | undefined): boolean {
  if (actual === undefined) {
    return false;
  }
  switch (operator) {
    case "StringEquals":
      return actual === expected;
    case "StringLike":
    case "ArnEquals":
    case "ArnLike":
      return matches(expected, actual);
    default:
      throw new Error(`condition operator ${operator} is not known here`);
  }
}

/** IAM's patterns: `*` is any text, `?` one character. */
export function matches(pattern: string, text: string): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(text);
}
