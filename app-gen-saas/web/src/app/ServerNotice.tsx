import { Icon } from "../shared/Icon.tsx";

/** Stays in the page, empty, so that assistive technology announces what appears in it. */
export function ServerNotice({ problem }: { problem: string | null }) {
  return (
    <div role="status" className="notice-place">
      {problem && (
        <p className="notice">
          <Icon name="alert" />
          {navigator.onLine ? problem : "You are offline."} What you see may be old; this page keeps trying.
        </p>
      )}
    </div>
  );
}
