/**
 * `--format` as Go's text/template has it: fields, range, if, with, variables, pipelines and the
 * functions of template_functions.ts. Objects are Go's structs (a missing field with a capital
 * letter is an error), Maps and lower-case keys are Go's maps.
 */
import { CoracleError } from "../errors.ts";
import { entriesOf, FUNCTIONS, isTrue, show } from "./template_functions.ts";
import {
  type Block,
  type Node,
  type Operand,
  parseTemplate,
  type Pipe,
  TemplateError,
} from "./template_parse.ts";

export interface Template {
  /** Fails with `usage` on a field that is not there. `type` is what errors call the value. */
  execute(value: unknown, type?: string): string;
}

/** Fails with `usage` when the text is no template. */
export function compileTemplate(source: string): Template {
  const nodes = explained(source, () => parseTemplate(source));
  return {
    execute: (value, type = "object") =>
      explained(source, () => {
        const run: Run = { root: value, variables: [{ name: "$", value }], out: [], type };
        walk(run, nodes, value);
        return run.out.join("");
      }),
  };
}

function explained<T>(source: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof TemplateError)) throw cause;
    throw new CoracleError("usage", `cannot use the format ${JSON.stringify(source)}`, {
      why: cause.message,
      cause,
    });
  }
}

interface Run {
  readonly root: unknown;
  readonly variables: { readonly name: string; value: unknown }[];
  readonly out: string[];
  readonly type: string;
}

type Signal = "break" | "continue" | undefined;

function walk(run: Run, nodes: readonly Node[], dot: unknown): Signal {
  for (const node of nodes) {
    const signal = step(run, node, dot);
    if (signal !== undefined) return signal;
  }
  return undefined;
}

function step(run: Run, node: Node, dot: unknown): Signal {
  if (node.kind === "text") {
    run.out.push(node.text);
    return undefined;
  }
  if (node.kind === "action") {
    const value = evaluate(run, node.pipe, dot);
    if (node.pipe.variables.length === 0) run.out.push(show(value));
    else assign(run, node.pipe, [value]);
    return undefined;
  }
  if (!("then" in node)) return node.kind;
  // What a block declares ends with it.
  const depth = run.variables.length;
  const signal = node.kind === "range" ? range(run, node, dot) : choose(run, node, dot);
  run.variables.length = depth;
  return signal;
}

function choose(run: Run, node: Block, dot: unknown): Signal {
  const value = evaluate(run, node.pipe, dot);
  assign(run, node.pipe, [value]);
  if (isTrue(value)) return walk(run, node.then, node.kind === "with" ? value : dot);
  return walk(run, node.otherwise, dot);
}

function range(run: Run, node: Block, dot: unknown): Signal {
  const value = evaluate(run, node.pipe, dot);
  const items = itemsOf(value);
  if (items.length === 0) return walk(run, node.otherwise, dot);
  const depth = run.variables.length;
  for (const [key, item] of items) {
    run.variables.length = depth;
    assign(run, node.pipe, node.pipe.variables.length === 1 ? [item] : [key, item]);
    if (walk(run, node.then, item) === "break") break;
  }
  return undefined;
}

function itemsOf(value: unknown): [unknown, unknown][] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.map((item, i) => [i, item]);
  if (typeof value === "number" && Number.isInteger(value)) {
    return Array.from({ length: Math.max(0, value) }, (_, i) => [i, i]);
  }
  if (typeof value === "object") return entriesOf(value);
  throw new TemplateError(`range can't iterate over ${show(value)}`);
}

function assign(run: Run, pipe: Pipe, values: readonly unknown[]): void {
  pipe.variables.forEach((name, i) => {
    if (!pipe.isAssignment) {
      run.variables.push({ name, value: values[i] });
      return;
    }
    variable(run, name).value = values[i];
  });
}

function variable(run: Run, name: string): { value: unknown } {
  const found = run.variables.findLast((known) => known.name === name);
  if (found === undefined) throw new TemplateError(`undefined variable "${name}"`);
  return found;
}

function evaluate(run: Run, pipe: Pipe, dot: unknown): unknown {
  let value: unknown;
  pipe.commands.forEach((command, i) => {
    value = call(run, command, { dot, piped: i === 0 ? [] : [value], source: pipe.source });
  });
  return value;
}

interface Site {
  readonly dot: unknown;
  /** The value of the command before, in a pipeline. */
  readonly piped: readonly unknown[];
  readonly source: string;
}

function call(run: Run, command: readonly Operand[], site: Site): unknown {
  const [first, ...rest] = command;
  if (first === undefined) return undefined;
  if (first.kind === "function") return callFunction(run, first.name, rest, site);
  const value = operand(run, first, site);
  if (rest.length === 0 && site.piped.length === 0) return isCall(value) ? value() : value;
  if (!isCall(value)) {
    throw new TemplateError(
      `in {{${site.source}}}: a value was given arguments but cannot be invoked as function`,
    );
  }
  return value(...rest.map((item) => argument(run, item, site)), ...site.piped);
}

function callFunction(run: Run, name: string, rest: readonly Operand[], site: Site): unknown {
  const known = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (known === undefined) throw new TemplateError(`function "${name}" not defined`);
  if (rest.length + site.piped.length === 0 && name !== "print" && name !== "println") {
    throw new TemplateError(`wrong number of args for ${name}: want at least 1 got 0`);
  }
  if (name !== "and" && name !== "or") {
    return known(...rest.map((item) => argument(run, item, site)), ...site.piped);
  }
  // The rest is not looked at once the answer is known: `and .A .A.B` is safe on an empty A.
  let value: unknown;
  for (const item of rest) {
    value = argument(run, item, site);
    if (isTrue(value) === (name === "or")) return value;
  }
  return site.piped.length > 0 ? site.piped[0] : value;
}

function isCall(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === "function";
}

function argument(run: Run, item: Operand, site: Site): unknown {
  if (item.kind === "function") {
    return callFunction(run, item.name, [], { ...site, piped: [] });
  }
  const value = operand(run, item, site);
  return isCall(value) ? value() : value;
}

function operand(run: Run, item: Exclude<Operand, { kind: "function" }>, site: Site): unknown {
  if (item.kind === "value") return item.value;
  if (item.kind === "dot") return site.dot;
  if (item.kind === "field") return follow(run, site.dot, item.path);
  if (item.kind === "variable") return follow(run, variable(run, item.name).value, item.path);
  return follow(run, evaluate(run, item.pipe, site.dot), item.path);
}

function follow(run: Run, start: unknown, path: readonly string[]): unknown {
  let value = start;
  path.forEach((name, i) => {
    if (isCall(value)) value = value();
    value = field(value, name, value === run.root ? run.type : path[i - 1] ?? "value");
  });
  return value;
}

function field(value: unknown, name: string, type: string): unknown {
  if (value instanceof Headers) return value.of(name);
  if (value instanceof Map) return value.get(name);
  if (value === null) throw new TemplateError(`nil pointer evaluating ${type}.${name}`);
  // Go's maps give nothing for a missing key, at any depth.
  if (value === undefined) return undefined;
  if (typeof value === "object" && !Array.isArray(value)) {
    if (Object.hasOwn(value, name) || isGetter(value, name)) return Reflect.get(value, name);
    if (!/^\p{Lu}/u.test(name)) return undefined;
  }
  throw new TemplateError(`can't evaluate field ${name} in type ${typeName(value, type)}`);
}

/** A getter or method of a class of ours, never what every object has (`constructor`). */
function isGetter(value: object, name: string): boolean {
  const above: unknown = Object.getPrototypeOf(value);
  if (typeof above !== "object" || above === null || above === Object.prototype) return false;
  return name !== "constructor" && Object.hasOwn(above, name);
}

function typeName(value: unknown, type: string): string {
  if (Array.isArray(value)) return `[]${type}`;
  return typeof value === "object" ? type : typeof value === "boolean" ? "bool" : typeof value;
}

/** Stands in for a row when a table's header is printed: every field gives its own title. */
export class Headers {
  #titles: Readonly<Record<string, string>>;

  constructor(titles: Readonly<Record<string, string>>) {
    this.#titles = titles;
  }

  /** "CreatedAt" is "CREATED AT" unless the command has another title. */
  of(name: string): string {
    const words = name.replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1 $2");
    return this.#titles[name] ??
      words.replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1 $2").toUpperCase();
  }
}
