import type { ReactNode } from "react";
import { Icon } from "./Icon.tsx";

/** The way to the page above. */
export function BackLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <a className="back" href={href}>
      <Icon name="back" />
      {children}
    </a>
  );
}
