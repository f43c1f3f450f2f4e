/** What is said of the tenant's own keys. */
import type { ModelKey, ModelProvider } from "../api/types.ts";

export interface ProviderWords {
  provider: ModelProvider;
  name: string;
  /** The agent whose jobs it pays for. */
  agent: string;
  /** What a server of one's own looks like. */
  base: string;
}

export const PROVIDERS: readonly ProviderWords[] = [
  { provider: "anthropic", name: "Anthropic", agent: "Claude Code", base: "https://models.example.com" },
  { provider: "openai", name: "OpenAI", agent: "Codex", base: "https://models.example.com/v1" },
];

const OUTCOMES: Readonly<Record<ModelKey["test_outcome"], string>> = {
  works: "works",
  key_refused: "is refused by the provider",
  no_credit: "has no credit at the provider",
  unknown_model: "works, but the provider does not have the model that the test asks for",
  wrong_endpoint: "is sent to a server that does not speak the provider’s protocol",
  unreachable: "is sent to a server that did not answer",
  forbidden_address: "is sent to an address that is not allowed",
};

/** "…0001 works": how the key is known, and what its last test came to. */
export function keyWords({ last_four, test_outcome }: Pick<ModelKey, "last_four" | "test_outcome">): string {
  return `…${last_four} ${OUTCOMES[test_outcome] ?? "was tested"}`;
}
