import { type RefObject, useLayoutEffect, useRef, useState } from "react";

/** This near to the end counts as at the end: fractional zoom never scrolls to the last pixel. */
const NEAR_PX = 24;

export interface StickToEnd<T> {
  box: RefObject<T | null>;
  /** Whether new content pulls the box along. */
  stuck: boolean;
  onScroll: () => void;
  toEnd: () => void;
}

/** Keeps a scrolling box at its end while it grows, until the user scrolls up; at the end it sticks again. */
export function useStickToEnd<T extends HTMLElement>(content: unknown): StickToEnd<T> {
  const box = useRef<T>(null);
  const [stuck, setStuck] = useState(true);

  useLayoutEffect(() => {
    if (stuck && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [content, stuck]);

  return {
    box,
    stuck,
    onScroll: () => {
      const element = box.current;
      if (element) setStuck(element.scrollHeight - element.scrollTop - element.clientHeight <= NEAR_PX);
    },
    toEnd: () => setStuck(true),
  };
}
