/** The API's shapes as the page uses them; the wire types are generated (schema.d.ts). */
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];

export type Job = Schemas["Job"];
export type JobState = Schemas["JobState"];
export type JobList = Schemas["JobList"];
export type Decide = Schemas["Decide"];
export type CreateJob = Schemas["CreateJob"];
export type JobKind = Schemas["JobKind"];
export type JobAttachment = Schemas["JobAttachment"];
export type AttachmentLimits = Schemas["AttachmentLimits"];
export type UploadedFile = Schemas["UploadedFile"];
export type Template = Schemas["Template"];
export type TemplateList = Schemas["TemplateList"];
export type CreateTemplate = Schemas["CreateTemplate"];
export type ChangeTemplate = Schemas["ChangeTemplate"];
export type MonthUsage = Schemas["MonthUsage"];
export type Amount = Schemas["Amount"];
export type Preview = Schemas["Preview"];
export type PreviewState = Schemas["PreviewState"];
export type Project = Schemas["Project"];
export type ProjectList = Schemas["ProjectList"];
export type ChangeProject = Schemas["ChangeProject"];
export type Version = Schemas["Version"];
export type VersionList = Schemas["VersionList"];
export type Check = Schemas["Check"];
export type Delivery = Schemas["Delivery"];
export type DeliveryList = Schemas["DeliveryList"];
export type DeliveryState = Schemas["DeliveryState"];
export type DeliveryTarget = Schemas["Target"];
export type CreateDelivery = Schemas["CreateDelivery"];
/** A file of a version; `File` alone is the browser's own. */
export type VersionFile = Schemas["File"];
export type FileList = Schemas["FileList"];
export type FileContent = Schemas["FileContent"];
export type Difference = Schemas["Difference"];
export type FileDifference = Schemas["FileDifference"];
export type Problem = Schemas["Problem"];
export type Health = Schemas["Health"];
