import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveCommand } from "../../../core/container/command.ts";
import { type CreateRequest, defaultRequest } from "../../../core/container/request.ts";
import { resolveRequest } from "../../../core/container/resolve.ts";
import type { ImageRunConfig } from "../../../core/terms.ts";
import { SAMPLE_OPTIONS } from "./sample.ts";
import { whyOf } from "./why_of.ts";

const IMAGE: ImageRunConfig = { Entrypoint: ["/entry"], Cmd: ["default"] };

function resolve(request: Partial<CreateRequest>, image: ImageRunConfig | null = null) {
  return resolveRequest(
    { ...defaultRequest("x"), command: ["c"], ...request },
    image,
    SAMPLE_OPTIONS,
  );
}

test("entrypoint and command follow docker's rules", () => {
  const table: [string[], string[] | undefined, ImageRunConfig | null, string[], string[]][] = [
    [[], undefined, IMAGE, ["/entry"], ["default"]],
    [["a"], undefined, IMAGE, ["/entry"], ["a"]],
    [[], ["/own"], IMAGE, ["/own"], []],
    [["a"], ["/own"], IMAGE, ["/own"], ["a"]],
    [["a"], [], IMAGE, [], ["a"]],
    [["a"], undefined, null, [], ["a"]],
    [[], undefined, { Cmd: ["sh"], Entrypoint: null }, [], ["sh"]],
  ];
  for (const [command, own, image, entrypoint, words] of table) {
    const request = own === undefined ? { command } : { command, entrypoint: own };
    assert.deepEqual(resolveCommand(request, image), { entrypoint, command: words });
  }
});

test("a container without a command is refused", () => {
  const words = "no command or entrypoint provided, and no CMD or ENTRYPOINT from image";
  assert.equal(whyOf(() => resolveCommand({ command: [] }, null)), words);
  assert.equal(whyOf(() => resolveCommand({ command: [], entrypoint: [] }, IMAGE)), words);
});

test("the user's words go over the image's", () => {
  const image: ImageRunConfig = {
    Env: ["PATH=/i", "A=image", "B=image"],
    WorkingDir: "/image",
    User: "alice",
    Labels: { a: "image", b: "image" },
    StopSignal: "USR1",
  };
  const plain = resolve({}, image);
  assert.equal(plain.workdir, "/image");
  assert.equal(plain.isImageWorkdir, true);
  assert.equal(plain.user, "alice");
  assert.equal(plain.stopSignal, 10);
  const own = resolve({
    environment: ["A=own", "C=own"],
    unsetEnvironment: ["B"],
    workdir: "/own/",
    user: "0",
    labels: { a: "own" },
    stopSignal: "9",
  }, image);
  assert.deepEqual(own.environment, [
    "PATH=/i",
    "TERM=xterm",
    "container=coracle",
    "A=own",
    "C=own",
  ]);
  assert.deepEqual(
    [own.workdir, own.isImageWorkdir, own.user, own.stopSignal],
    ["/own", false, "0", 9],
  );
  assert.deepEqual(own.labels, { a: "own", b: "image" });
  assert.deepEqual(resolve({ unsetEnvironmentAll: true }, image).environment, []);
});

test("wrong stop signals are refused in Podman's words", () => {
  assert.equal(whyOf(() => resolve({ stopSignal: "FOO" })), "invalid signal: FOO");
  assert.equal(whyOf(() => resolve({ stopSignal: "99" })), "valid signals are 1 through 64");
  assert.equal(resolve({ stopSignal: "" }).stopSignal, 15);
});

test("a place is mounted once, and the user's mount goes over the image's volume", () => {
  const bind = { type: "bind", source: "/s", destination: "/data", options: [] } as const;
  const tmpfs = { type: "tmpfs", source: "", destination: "/data", options: [] } as const;
  const image = { Volumes: { "/data/": {}, "/more": {} } };
  const { mounts } = resolve({ mounts: [bind, bind] }, image);
  assert.deepEqual(mounts.map((mount) => [mount.type, mount.destination, mount.isAnonymous]), [
    ["bind", "/data", undefined],
    ["volume", "/more", true],
  ]);
  assert.equal(
    whyOf(() => resolve({ mounts: [bind, tmpfs] })),
    "/data: duplicate mount destination",
  );
  assert.deepEqual(resolve({ imageVolumes: "ignore" }, image).mounts, []);
  assert.deepEqual(resolve({ imageVolumes: "tmpfs" }, image).mounts.map((mount) => mount.type), [
    "tmpfs",
    "tmpfs",
  ]);
});

test("a read-only root keeps scratch places unless the user took them", () => {
  const mine = { type: "tmpfs", source: "", destination: "/tmp", options: ["size=1m"] } as const;
  const places = resolve({ readOnly: true, mounts: [mine] }).mounts;
  assert.deepEqual(places.map((mount) => mount.destination), ["/tmp", "/run", "/var/tmp"]);
  assert.deepEqual(places[0]?.options, ["size=1m"]);
});

test("wishes that contradict one another are found before anything is made", () => {
  assert.match(whyOf(() => resolve({ capAdd: ["foo"] })), /unknown capability/);
  assert.match(whyOf(() => resolve({ resources: { memorySwap: 5 } })), /memoryswap/);
  assert.match(
    whyOf(() => resolve({ sysctls: { "net.x": "1" }, network: { kind: "host" } })),
    /Host Network Namespace Used/,
  );
});
