import { type RefObject, useCallback, useLayoutEffect, useRef } from "react";

/**
 * A place that gets the focus when the button that had it goes with what it changed. `shown` is what changes then;
 * the function says before that that a button was pressed.
 */
export function useFocusKept<T extends HTMLElement>(shown: unknown): [RefObject<T | null>, () => void] {
  const place = useRef<T>(null);
  const wasPressed = useRef(false);
  useLayoutEffect(() => {
    if (!wasPressed.current) return;
    wasPressed.current = false;
    // Whoever went on meanwhile stays there.
    if (document.activeElement === document.body) place.current?.focus();
  }, [shown]);
  const press = useCallback(() => {
    wasPressed.current = true;
  }, []);
  return [place, press];
}
