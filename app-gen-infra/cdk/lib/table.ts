/** TOML files, read key by key. */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parse } from "smol-toml";

/** A table of a TOML file that knows its own dotted name, for messages. */
export class Table {
  readonly #file: string;
  readonly #name: string;
  readonly #values: Record<string, unknown>;

  private constructor(file: string, name: string, values: object) {
    this.#file = file;
    this.#name = name;
    this.#values = values as Record<string, unknown>;
  }

  /**
   * The whole of a file.
   *
   * @throws Error when it cannot be read, or is not TOML.
   */
  static ofFile(path: string): Table {
    return new Table(basename(path), "", parse(readFileSync(path, "utf8")));
  }

  string(key: string): string {
    const value = this.#values[key];
    return typeof value === "string" ? value : this.#fail(key, "a string");
  }

  number(key: string): number {
    const value = this.#values[key];
    return typeof value === "number" ? value : this.#fail(key, "a number");
  }

  boolean(key: string): boolean {
    const value = this.#values[key];
    return typeof value === "boolean" ? value : this.#fail(key, "true or false");
  }

  stringList(key: string): string[] {
    const value = this.#values[key];
    const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
    return isList ? value : this.#fail(key, "a list of strings");
  }

  table(key: string): Table {
    const value = this.#values[key];
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
    return isTable ? new Table(this.#file, this.#path(key), value) : this.#fail(key, "a table");
  }

  /** The result of `read` for the key, if the key is present. */
  optional<T>(key: string, read: (key: string) => T): T | undefined {
    return this.#values[key] === undefined ? undefined : read(key);
  }

  /** This table read as a map of tables. */
  map<T>(read: (table: Table) => T): Record<string, T> {
    return Object.fromEntries(Object.keys(this.#values).map((key) => [key, read(this.table(key))]));
  }

  /** This table read as a map of strings. */
  strings(): Record<string, string> {
    return Object.fromEntries(Object.keys(this.#values).map((key) => [key, this.string(key)]));
  }

  #path(key: string): string {
    return this.#name === "" ? key : `${this.#name}.${key}`;
  }

  #fail(key: string, expected: string): never {
    const found = this.#values[key] === undefined ? "is missing" : "is something else";
    throw new Error(`${this.#file}: \`${this.#path(key)}\` must be ${expected} and ${found}`);
  }
}
