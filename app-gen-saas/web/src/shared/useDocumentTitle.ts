import { useEffect } from "react";

/** What the browser's tab and history say. */
export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · App-Gen`;
    return () => {
      document.title = "App-Gen";
    };
  }, [title]);
}
