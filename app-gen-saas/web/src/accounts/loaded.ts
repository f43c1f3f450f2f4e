/** What is loaded once the server asks who they are, in one piece: nearly all of it is needed then. */
export { AccountBar } from "./AccountBar.tsx";
export { connect } from "./login.ts";
export { SignIn } from "./SignIn.tsx";
