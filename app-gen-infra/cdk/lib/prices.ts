/** What AWS charges on demand, by `prices.toml`. */

import { fileURLToPath } from "node:url";
import type { Size } from "./platform.ts";
import { Table } from "./table.ts";

const PRICES_PATH = fileURLToPath(new URL("../../prices.toml", import.meta.url));

const CPU_UNITS_PER_VCPU = 1024;
const MIB_PER_GB = 1024;

/** US dollars for an hour of a Fargate task of this size, which has a public address. */
export function taskUsdPerHour({ cpuUnits, memoryMib }: Size): number {
  const prices = Table.ofFile(PRICES_PATH);
  const usd = (price: string): number => prices.table(price).number("usd");
  return (
    (cpuUnits / CPU_UNITS_PER_VCPU) * usd("fargate_vcpu") +
    (memoryMib / MIB_PER_GB) * usd("fargate_memory") +
    usd("public_address")
  );
}
