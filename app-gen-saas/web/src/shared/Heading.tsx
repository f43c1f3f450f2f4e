import { createContext, type ReactNode, useContext } from "react";

type Level = 1 | 2 | 3 | 4 | 5 | 6;

const LevelContext = createContext<Level>(2);

/** Headings inside are one level below those around, so that a part of a page can stand in another part. */
export function BelowHeading({ level, children }: { level?: Level; children: ReactNode }) {
  const around = useContext(LevelContext);
  return <LevelContext value={Math.min((level ?? around) + 1, 6) as Level}>{children}</LevelContext>;
}

/** A heading of the level that the place has: 2, where nothing else is said. */
export function Heading({ id, className, children }: { id?: string; className?: string; children: ReactNode }) {
  const Tag = `h${useContext(LevelContext)}` as const;
  return (
    <Tag id={id} className={className}>
      {children}
    </Tag>
  );
}
