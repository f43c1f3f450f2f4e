import { configure } from "@testing-library/react";

// How long a test waits for what has to appear. It is a limit and no pause: a busy machine is no failure.
configure({ asyncUtilTimeout: 20_000 });
