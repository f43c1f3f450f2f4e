import { Component, type ReactNode } from "react";
import { Icon } from "../shared/Icon.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";

interface Props {
  children: ReactNode;
}

interface State {
  isBroken: boolean;
}

/**
 * Keeps a fault of this page's code from leaving nothing to see. React only has this as a class. Key it by what it
 * is around: with another page, it begins anew.
 */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { isBroken: false };

  static getDerivedStateFromError(): State {
    return { isBroken: true };
  }

  override render(): ReactNode {
    return this.state.isBroken ? <BrokenPage /> : this.props.children;
  }
}

function BrokenPage() {
  useDocumentTitle("Something broke");
  return (
    <div className="page-problem" role="alert">
      <h1>This page broke</h1>
      <p>
        That is a fault of this page, not of your apps: jobs go on without it, and what you were writing is kept. A
        reload most often helps.
      </p>
      <button type="button" className="button" onClick={() => window.location.reload()}>
        <Icon name="again" />
        Reload the page
      </button>
    </div>
  );
}
