/** Go's text/template syntax to a tree: what `--format` takes. Evaluated by template.ts. */

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipe: Pipe }
  | Block
  | { readonly kind: "break" | "continue" };

export interface Block {
  readonly kind: "if" | "with" | "range";
  readonly pipe: Pipe;
  readonly then: readonly Node[];
  readonly otherwise: readonly Node[];
}

/** `$x := a | b c`: variables set, and commands, each given the value of the one before. */
export interface Pipe {
  readonly variables: readonly string[];
  readonly isAssignment: boolean;
  readonly commands: readonly (readonly Operand[])[];
  readonly source: string;
}

export type Operand =
  | { readonly kind: "value"; readonly value: string | number | boolean | null }
  | { readonly kind: "dot" }
  /** `.A.B`: fields of the dot. */
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "variable"; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "pipe"; readonly pipe: Pipe; readonly path: readonly string[] };

export class TemplateError extends Error {}

interface Token {
  readonly type: "space" | "field" | "variable" | "word" | "value" | "mark";
  readonly text: string;
  readonly value?: string | number | boolean | null;
}

type Piece =
  | { readonly text: string }
  | { readonly tokens: readonly Token[]; readonly source: string };

/** Parses a template. Throws a TemplateError that says what is wrong. */
export function parseTemplate(source: string): Node[] {
  const parser: Parser = { pieces: split(source), at: 0 };
  const { nodes, ended } = parseList(parser, { inRange: false });
  if (ended !== undefined) throw new TemplateError(`unexpected {{${ended}}}`);
  return nodes;
}

/** Text and actions in turn; `{{-` and `-}}` have eaten the white space beside them. */
function split(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  while (at <= source.length) {
    const open = source.indexOf("{{", at);
    let text = open < 0 ? source.slice(at) : source.slice(at, open);
    if (trimNext) text = text.trimStart();
    if (open < 0) {
      if (text !== "") pieces.push({ text });
      break;
    }
    const trimBefore = /^-\s/.test(source.slice(open + 2, open + 4));
    if (trimBefore) text = text.trimEnd();
    if (text !== "") pieces.push({ text });
    const start = open + 2 + (trimBefore ? 1 : 0);
    const end = endOfAction(source, start);
    trimNext = /\s-$/.test(source.slice(start, end));
    const inner = source.slice(start, trimNext ? end - 1 : end).trim();
    if (!/^\/\*[\s\S]*\*\/$/.test(inner)) pieces.push({ tokens: scan(inner), source: inner });
    at = end + 2;
  }
  return pieces;
}

/** Index of the `}}` that closes the action which begins at `start`; quotes and comments hide it. */
function endOfAction(source: string, start: number): number {
  const comment = /^\s*\/\*/.exec(source.slice(start));
  if (comment !== null) {
    const end = /\*\/\s*-?\}\}/.exec(source.slice(start));
    if (end === null) throw new TemplateError("unclosed comment");
    return start + end.index + end[0].length - 2;
  }
  const token = /"(?:\\.|[^"\\\n])*"|`[^`]*`|'(?:\\.|[^'\\\n])+'|\}\}|["`]/g;
  token.lastIndex = start;
  for (let match = token.exec(source); match !== null; match = token.exec(source)) {
    if (match[0] === "}}") return match.index;
    if (match[0].length === 1) throw new TemplateError("unterminated quoted string");
  }
  throw new TemplateError("unclosed action");
}

const TOKEN =
  /(\s+)|("(?:\\.|[^"\\])*")|`([^`]*)`|'((?:\\.|[^'\\])+)'|([+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))(?![\w.])|((?:\.[\p{L}_][\p{L}\p{N}_]*)+)|(\$[\p{L}\p{N}_]*)((?:\.[\p{L}_][\p{L}\p{N}_]*)*)|([\p{L}_][\p{L}\p{N}_]*)|(:=|[.|(),=])/uy;

function scan(source: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(source);
    if (match === null) {
      throw new TemplateError(`unexpected ${JSON.stringify(source[at])} in {{${source}}}`);
    }
    tokens.push(toToken(match));
  }
  return tokens;
}

function toToken(match: RegExpExecArray): Token {
  const [text, space, quoted, raw, letter, number, field, variable, , word] = match;
  if (space !== undefined) return { type: "space", text };
  if (quoted !== undefined) return { type: "value", text, value: unquote(quoted.slice(1, -1)) };
  if (raw !== undefined) return { type: "value", text, value: raw };
  if (letter !== undefined) {
    return { type: "value", text, value: unquote(letter).codePointAt(0) ?? 0 };
  }
  if (number !== undefined) return { type: "value", text, value: numberOf(number) };
  if (field !== undefined) return { type: "field", text };
  if (variable !== undefined) return { type: "variable", text };
  if (word === "true" || word === "false") return { type: "value", text, value: word === "true" };
  if (word === "nil") return { type: "value", text, value: null };
  return { type: word === undefined ? "mark" : "word", text };
}

function numberOf(text: string): number {
  const plain = text.replaceAll("_", "").replace(/^\+/, "");
  const value = plain.startsWith("-") ? -Number(plain.slice(1)) : Number(plain);
  if (Number.isNaN(value)) throw new TemplateError(`bad number syntax: "${text}"`);
  return value;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
};

/** Go's interpreted string: the usual escapes. */
function unquote(text: string): string {
  return text.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[\s\S])/g,
    (_, escape: string) => {
      if (/^[xuU]./.test(escape)) return String.fromCodePoint(parseInt(escape.slice(1), 16));
      if (/^[0-7]{3}$/.test(escape)) return String.fromCodePoint(parseInt(escape, 8));
      return ESCAPES[escape] ?? escape;
    },
  );
}

interface Parser {
  readonly pieces: readonly Piece[];
  at: number;
}
interface NodeList {
  readonly nodes: Node[];
  /** The action that ended the list: `end`, `else`, `else if …`; undefined at the end of the text. */
  readonly ended: string | undefined;
}
interface Place {
  readonly inRange: boolean;
}

function parseList(parser: Parser, place: Place): NodeList {
  const nodes: Node[] = [];
  while (parser.at < parser.pieces.length) {
    const piece = parser.pieces[parser.at++];
    if (piece === undefined) break;
    if ("text" in piece) {
      nodes.push({ kind: "text", text: piece.text });
      continue;
    }
    const [first, ...rest] = piece.tokens;
    const word = first?.type === "word" ? first.text : undefined;
    if (word === "end" || word === "else") return { nodes, ended: piece.source };
    if (word === "if" || word === "with" || word === "range") {
      nodes.push(parseBlock(parser, word, rest, piece.source, place));
    } else if (word === "break" || word === "continue") {
      if (!place.inRange) throw new TemplateError(`{{${word}}} outside {{range}}`);
      nodes.push({ kind: word });
    } else if (word === "define" || word === "template" || word === "block") {
      throw new TemplateError(`{{${word}}} is not supported in --format`);
    } else {
      nodes.push({ kind: "action", pipe: parsePipe(piece.tokens, piece.source) });
    }
  }
  return { nodes, ended: undefined };
}

function parseBlock(
  parser: Parser,
  kind: "if" | "with" | "range",
  tokens: readonly Token[],
  source: string,
  place: Place,
): Node {
  const pipe = parsePipe(tokens, source.slice(kind.length).trim(), kind === "range");
  const then = parseList(parser, { inRange: place.inRange || kind === "range" });
  if (then.ended === undefined) throw new TemplateError(`{{${source}}} without {{end}}`);
  if (then.ended === "end") return { kind, pipe, then: then.nodes, otherwise: [] };
  // `{{else if x}}` and `{{else with x}}` are an inner block that shares our {{end}}.
  const chained = /^else\s+(if|with)\b([\s\S]*)$/.exec(then.ended);
  if (chained !== null) {
    const inner = chained[1] as "if" | "with";
    if (kind === "range") throw new TemplateError(`unexpected {{${then.ended}}}`);
    const condition = (chained[2] ?? "").trim();
    const block = parseBlock(parser, inner, scan(condition), `${inner} ${condition}`, place);
    return { kind, pipe, then: then.nodes, otherwise: [block] };
  }
  if (then.ended !== "else") throw new TemplateError(`unexpected {{${then.ended}}}`);
  const otherwise = parseList(parser, place);
  if (otherwise.ended !== "end") throw new TemplateError(`{{${source}}} without {{end}}`);
  return { kind, pipe, then: then.nodes, otherwise: otherwise.nodes };
}

interface Cursor {
  readonly tokens: readonly Token[];
  readonly source: string;
  at: number;
}

function parsePipe(tokens: readonly Token[], source: string, isRange = false): Pipe {
  const cursor: Cursor = { tokens, source, at: 0 };
  const pipe = readPipe(cursor, isRange);
  if (cursor.at < tokens.length) throw unexpected(cursor);
  return pipe;
}

function readPipe(cursor: Cursor, isRange: boolean): Pipe {
  const { variables, isAssignment } = readVariables(cursor, isRange);
  const commands: Operand[][] = [readCommand(cursor)];
  while (peek(cursor)?.text === "|" && peek(cursor)?.type === "mark") {
    cursor.at++;
    commands.push(readCommand(cursor));
  }
  return { variables, isAssignment, commands, source: cursor.source };
}

/** `$x :=`, `$x =`, and in a range `$i, $x :=`. */
function readVariables(cursor: Cursor, isRange: boolean) {
  const start = cursor.at;
  const variables: string[] = [];
  for (;;) {
    const token = peek(cursor);
    if (token?.type !== "variable" || token.text.includes(".")) break;
    cursor.at++;
    variables.push(token.text);
    const mark = peek(cursor)?.text;
    if (mark === ":=" || mark === "=") {
      cursor.at++;
      return { variables, isAssignment: mark === "=" };
    }
    if (mark !== "," || !isRange || variables.length === 2) break;
    cursor.at++;
  }
  cursor.at = start;
  return { variables: [], isAssignment: false };
}

function peek(cursor: Cursor): Token | undefined {
  while (cursor.tokens[cursor.at]?.type === "space") cursor.at++;
  return cursor.tokens[cursor.at];
}

function readCommand(cursor: Cursor): Operand[] {
  const operands: Operand[] = [];
  for (let token = peek(cursor); token !== undefined; token = peek(cursor)) {
    if (token.type === "mark" && token.text !== "." && token.text !== "(") break;
    const isApart = cursor.tokens[cursor.at - 1]?.type === "space";
    if (operands.length > 0 && !isApart) throw unexpected(cursor);
    operands.push(readOperand(cursor, token));
  }
  if (operands.length === 0) {
    throw new TemplateError(`missing value for command in {{${cursor.source}}}`);
  }
  return operands;
}

function readOperand(cursor: Cursor, token: Token): Operand {
  cursor.at++;
  if (token.type === "value") return { kind: "value", value: token.value ?? null };
  if (token.type === "field") return { kind: "field", path: token.text.slice(1).split(".") };
  if (token.type === "word") return { kind: "function", name: token.text };
  if (token.type === "variable") {
    const [name = "$", ...path] = token.text.split(".");
    return { kind: "variable", name, path };
  }
  if (token.text === ".") return { kind: "dot" };
  const pipe = readPipe(cursor, false);
  if (peek(cursor)?.text !== ")") {
    throw new TemplateError(`unclosed left paren in {{${cursor.source}}}`);
  }
  cursor.at++;
  const next = cursor.tokens[cursor.at];
  if (next?.type !== "field") return { kind: "pipe", pipe, path: [] };
  cursor.at++;
  return { kind: "pipe", pipe, path: next.text.slice(1).split(".") };
}

function unexpected(cursor: Cursor): TemplateError {
  const token = peek(cursor);
  return new TemplateError(`unexpected ${JSON.stringify(token?.text)} in {{${cursor.source}}}`);
}
