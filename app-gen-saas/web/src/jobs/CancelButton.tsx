import { AskButton } from "../shared/AskButton.tsx";
import { Icon } from "../shared/Icon.tsx";

/** Asks once before it stops the job: the work so far is lost. */
export function CancelButton({ cancel }: { cancel: () => Promise<void> }) {
  return (
    <AskButton
      label={
        <>
          <Icon name="stop" />
          Cancel
        </>
      }
      question="Stop this job?"
      yes="Stop it"
      no="Keep going"
      busy="Stopping…"
      isDanger
      act={cancel}
    />
  );
}
