/** The API's shapes as the page uses them; the wire types are generated (schema.d.ts). */
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];

export type Job = Schemas["Job"];
export type JobState = Schemas["JobState"];
export type JobList = Schemas["JobList"];
export type Decide = Schemas["Decide"];
export type CreateJob = Schemas["CreateJob"];
export type ErrorBody = Schemas["ErrorBody"];
export type Health = Schemas["Health"];
