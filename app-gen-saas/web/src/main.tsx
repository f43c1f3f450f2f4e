import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Gate } from "./accounts/Gate.tsx";
import { App } from "./app/App.tsx";
import { ErrorBoundary } from "./app/ErrorBoundary.tsx";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/controls.css";
import "./accounts/accounts.css";
import "./attachments/attachments.css";
import "./jobs/composer.css";
import "./jobs/job.css";
import "./jobs/outcome.css";
import "./log/log.css";
import "./previews/previews.css";
import "./projects/projects.css";
import "./templates/templates.css";
import "./usage/usage.css";
import "./versions/versions.css";
import "./deliveries/deliveries.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <Gate>
        <App />
      </Gate>
    </ErrorBoundary>
  </StrictMode>,
);
