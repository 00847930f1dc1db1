/** `--format`: what Go's text/template gives for the same template and value. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileTemplate, Headers } from "../../../core/commands/template.ts";
import { CoracleError } from "../../../core/errors.ts";

const VALUE = {
  ID: "9c1f0a",
  Names: ["web", "front"],
  Size: 1234,
  Ratio: 0.5,
  Running: true,
  Empty: "",
  Zero: 0,
  None: null,
  NoNames: [],
  Labels: new Map([["b", "2"], ["a", "1"]]),
  Env: { PATH: "/bin", "com.example/x": "y" },
  State: { Status: "running", Pid: 42, Health: { Log: [{ Exit: 0 }, { Exit: 1 }] } },
  Mounts: [{ Source: "/a", Destination: "/b" }, { Source: "/c", Destination: "/d" }],
  Label: (name: string) => `label-${name}`,
  Plain: () => "called",
  Html: "<a&b>",
};

/** Template and result. */
const RIGHT: readonly (readonly [string, string])[] = [
  ["", ""],
  ["plain", "plain"],
  ["{{.ID}}", "9c1f0a"],
  ["{{ .ID }}", "9c1f0a"],
  ["{{.ID}}:{{.Size}}", "9c1f0a:1234"],
  ["{{.State.Status}} {{.State.Pid}}", "running 42"],
  ["{{$.ID}}", "9c1f0a"],
  ["{{.Running}} {{.Ratio}} {{.Zero}}", "true 0.5 0"],
  ["{{.Names}}", "[web front]"],
  ["{{.Labels}}", "map[a:1 b:2]"],
  ["{{.Labels.a}} {{.Labels.zz}}", "1 <no value>"],
  ["{{.Env.PATH}} {{.Env.nope}}", "/bin <no value>"],
  ["{{.None}}", "<nil>"],
  ["{{range .Names}}{{.}},{{end}}", "web,front,"],
  ["{{range $i, $n := .Names}}{{$i}}={{$n}} {{end}}", "0=web 1=front "],
  ["{{range $n := .Names}}{{$n}};{{end}}", "web;front;"],
  ["{{range .NoNames}}x{{else}}none{{end}}", "none"],
  ["{{range $k, $v := .Labels}}{{$k}}{{$v}}{{end}}", "a1b2"],
  ["{{range .Labels}}{{.}}{{end}}", "12"],
  ["{{range .Mounts}}{{.Source}}->{{.Destination}} {{end}}", "/a->/b /c->/d "],
  ["{{range .Mounts}}{{$.ID}}{{end}}", "9c1f0a9c1f0a"],
  ['{{range .Names}}{{if eq . "web"}}{{continue}}{{end}}{{.}}{{end}}', "front"],
  ["{{range .Names}}{{.}}{{break}}{{end}}", "web"],
  ["{{range 3}}{{.}}{{end}}", "012"],
  ["{{if .Running}}up{{else}}down{{end}}", "up"],
  ["{{if .Empty}}a{{else if .Running}}b{{else}}c{{end}}", "b"],
  ["{{if .Zero}}a{{else if .None}}b{{else}}c{{end}}", "c"],
  ["{{if .NoNames}}a{{end}}", ""],
  ["{{with .State}}{{.Pid}}{{end}}", "42"],
  ["{{with .None}}x{{else}}none{{end}}", "none"],
  ["{{with $s := .State}}{{$s.Pid}}{{end}}", "42"],
  ["{{$x := .ID}}{{$x}}", "9c1f0a"],
  ["{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"],
  ["{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"],
  ["{{.ID | upper}}", "9C1F0A"],
  ['{{.ID | printf "%s-%s" "x"}}', "x-9c1f0a"],
  ['{{upper (lower "ABC")}}', "ABC"],
  ["{{(index .Mounts 1).Source}}", "/c"],
  ["{{index .Names 0}}", "web"],
  ['{{index .Labels "b"}}[{{index .Labels "zz"}}]', "2[]"],
  ['{{index .Env "com.example/x"}}', "y"],
  ["{{(index .State.Health.Log 1).Exit}}", "1"],
  ["{{len .Names}} {{len .ID}} {{len .Labels}}", "2 6 2"],
  ["{{slice .ID 0 2}} {{slice .ID 4}}", "9c 0a"],
  ["{{json .Names}}", '["web","front"]'],
  ["{{json .Html}}", '"<a&b>"'],
  ["{{json .Labels}}", '{"a":"1","b":"2"}'],
  ["{{json .None}} {{json .State.Pid}}", "null 42"],
  ['{{join .Names ","}}', "web,front"],
  ['{{range split "a:b:c" ":"}}{{.}} {{end}}', "a b c "],
  ['{{title "hello big world"}}', "Hello Big World"],
  ['{{pad "x" 2 1}}|', "  x |"],
  ["{{truncate .ID 3}}", "9c1"],
  ['{{printf "%-8s|%5d|%05d" .ID .Size .Size}}', "9c1f0a  | 1234|01234"],
  [
    '{{printf "%q %v %t %x %.2f %%" .ID .Names .Running 255 .Ratio}}',
    '"9c1f0a" [web front] true ff 0.50 %',
  ],
  ['{{printf "%d" "x"}}', "%!d(string=x)"],
  ['{{printf "%s"}}', "%!s(MISSING)"],
  ['{{printf "%s" "a" "b"}}', "a%!(EXTRA string=b)"],
  ['{{print 1 2 "x" 3}}', "1 2x3"],
  ['{{println "a" 1}}', "a 1\n"],
  ['{{eq .ID "9c1f0a"}} {{ne .Size 1}} {{eq .Size 1 1234}}', "true true true"],
  ['{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge "b" "a"}}', "true true false true"],
  ['{{and .Running .ID}} {{or .Empty "alt"}} {{not .Running}}', "9c1f0a alt false"],
  ["{{if and .None .None.Deeper}}x{{else}}safe{{end}}", "safe"],
  ["a  {{- .ID -}}  b", "a9c1f0ab"],
  ['a {{- "x" }} b', "ax b"],
  ["a {{/* a }} comment */}}b", "a b"],
  ["a {{- /* trims */ -}} b", "ab"],
  ['{{"\\t"}}|{{"\\n"}}|{{"\\u00e9"}}', "\t|\n|é"],
  ["{{`raw \\t`}}", "raw \\t"],
  ["{{'a'}}", "97"],
  ['{{"}}"}}', "}}"],
  ["{{1e3}} {{0x1F}} {{-5}} {{1.5}}", "1000 31 -5 1.5"],
  ['{{.Label "x"}}', "label-x"],
  ["{{.Plain}}", "called"],
  ["{{nil | json}}", "null"],
  ['{{ .Names | len | printf "%03d" }}', "002"],
];

/** Template and a part of the error. */
const WRONG: readonly (readonly [string, RegExp])[] = [
  ["{{.Nope}}", /can't evaluate field Nope in type Report$/],
  ["{{.State.Nope}}", /can't evaluate field Nope in type State$/],
  ["{{.ID.Nope}}", /can't evaluate field Nope in type string$/],
  ["{{.id}}{{.ID", /unclosed action$/],
  ["{{.None.X}}", /nil pointer evaluating None\.X$/],
  ["{{nope .ID}}", /function "nope" not defined$/],
  ["{{$x}}", /undefined variable "\$x"$/],
  ["{{if .ID}}x", /\{\{if \.ID\}\} without \{\{end\}\}$/],
  ["{{end}}", /unexpected \{\{end\}\}$/],
  ["{{else}}", /unexpected \{\{else\}\}$/],
  ['{{"open}}', /unterminated quoted string$/],
  ["{{}}", /missing value for command/],
  ["{{.ID |}}", /missing value for command/],
  ["{{.ID )}}", /unexpected "\)"/],
  ["{{(.ID}}", /unclosed left paren/],
  ["{{.ID..X}}", /unexpected "\."|unexpected/],
  ["{{index .Names 9}}", /index out of range: 9$/],
  ["{{len 3}}", /len of 3$/],
  ['{{lt 1 "a"}}', /incompatible types for comparison$/],
  ["{{range .ID}}{{end}}", /range can't iterate over 9c1f0a$/],
  ["{{break}}", /outside \{\{range\}\}$/],
  ['{{.ID "x"}}', /cannot be invoked as function$/],
  ['{{template "x"}}', /not supported/],
  ["{{/* open }}", /unclosed comment$/],
  ["{{upper 3}}", /wrong type for value in upper/],
  ["{{.constructor}}x{{.Constructor}}", /can't evaluate field Constructor/],
  ["{{constructor}}", /function "constructor" not defined$/],
];

describe("a template", () => {
  for (const [template, wanted] of RIGHT) {
    test(`${JSON.stringify(template)} gives ${JSON.stringify(wanted)}`, () => {
      assert.equal(compileTemplate(template).execute(VALUE, "Report"), wanted);
    });
  }
});

describe("a wrong template", () => {
  for (const [template, wanted] of WRONG) {
    test(`${JSON.stringify(template)} is a usage error that says why`, () => {
      assert.throws(
        () => compileTemplate(template).execute(VALUE, "Report"),
        (error) =>
          error instanceof CoracleError && error.code === "usage" && wanted.test(error.message),
      );
    });
  }
});

test("a header is the field's name in capitals, its words apart, unless there is a title", () => {
  const headers = new Headers({ ID: "CONTAINER ID" });
  const template = compileTemplate("{{.ID}}|{{.CreatedAt}}|{{.PIDNS}}|{{.State.ExitCode}}");
  assert.throws(() => template.execute(headers), /ExitCode/);
  assert.equal(
    compileTemplate("{{.ID}}|{{.CreatedAt}}|{{.PIDNS}}").execute(headers),
    "CONTAINER ID|CREATED AT|PIDNS",
  );
});

test("a template of a megabyte of text and deep nesting ends in reasonable time", () => {
  const deep = "{{if .Running}}".repeat(500) + "x" + "{{end}}".repeat(500);
  assert.equal(compileTemplate(deep).execute(VALUE), "x");
  const long = "text ".repeat(200_000) + "{{.ID}}";
  assert.equal(compileTemplate(long).execute(VALUE).length, 1_000_006);
});
