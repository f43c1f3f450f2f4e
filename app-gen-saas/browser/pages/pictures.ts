/** Pictures of the states, kept in the folder that STATES names, with a document that shows them side by side. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";

export interface Variant {
  colorScheme: "light" | "dark";
  device: "desktop" | "phone";
}

/** A picture is for a look at the whole: its width, in pixels. */
const WIDTHS: Record<Variant["device"], number> = { desktop: 800, phone: 320 };
/** Of a longer page the beginning. */
const LONGEST = 2000;
/** A picture in a repository costs everybody who clones it. */
const QUALITY = 50;

export const FOLDER = process.env.STATES || null;

export async function takePicture(page: Page, folder: string, state: string, variant: Variant): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { cssContentSize } = await session.send("Page.getLayoutMetrics");
  const { width } = page.viewportSize() ?? cssContentSize;
  const scale = WIDTHS[variant.device] / width;
  const height = Math.min(cssContentSize.height, LONGEST / scale);
  const { data } = await session.send("Page.captureScreenshot", {
    format: "webp",
    quality: QUALITY,
    captureBeyondViewport: true,
    clip: { x: 0, y: 0, width, height, scale },
  });
  await session.detach();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, fileName(state, variant)), Buffer.from(data, "base64"));
}

function fileName(state: string, { colorScheme, device }: Variant): string {
  return `${state}-${colorScheme}-${device}.webp`;
}

/** Shows all pictures, for a look at one state in all its variants. */
export function writeIndex(folder: string, states: readonly string[], variants: readonly Variant[]): void {
  const head = variants.map(({ colorScheme, device }) => `${colorScheme}, ${device}`).join(" | ");
  const parts = states.map((state) => {
    const pictures = variants.map((variant) => {
      const width = variant.device === "desktop" ? 360 : 150;
      return `<img src="${fileName(state, variant)}" width="${width}" alt="${state}, ${variant.colorScheme}, on a ${variant.device}">`;
    });
    return `## ${state}\n\n| ${head} |\n|${" --- |".repeat(variants.length)}\n| ${pictures.join(" | ")} |\n`;
  });
  const title = "# The states of the page\n\nWritten by `STATES=docs/images/states cargo xtask test browser`.\n";
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "README.md"), [title, ...parts].join("\n"));
}
