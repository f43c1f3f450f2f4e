/** Problem details (RFC 9457), as the API answers every error, for tests. */
import type { Problem } from "./types.ts";

const STATUS: Readonly<Record<Problem["code"], number>> = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  changed: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  misdirected: 421,
  key_unusable: 422,
  key_reused: 422,
  too_many: 429,
  too_fast: 429,
  limit_reached: 429,
  head_too_large: 431,
  internal: 500,
  busy: 503,
  unavailable: 503,
};

export function aProblem(code: Problem["code"], detail: string): Problem {
  return {
    type: `/api/reference#problem-${code}`,
    // The page shows the detail.
    title: `A problem of the kind ${code}`,
    status: STATUS[code],
    detail,
    instance: "urn:uuid:0193a000-0000-7000-8000-000000000000",
    code,
  };
}

/** The answer that it is. */
export function refuse(code: Problem["code"], detail: string): Response {
  const problem = aProblem(code, detail);
  const headers = { "content-type": "application/problem+json" };
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}
