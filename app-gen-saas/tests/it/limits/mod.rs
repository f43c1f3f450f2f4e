//! Limits: whose turn it is, what tenants may use, what is answered once, and what a request may be.

mod fairness;
mod once;
mod requests;
mod tenants;
