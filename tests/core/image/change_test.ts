/** `--change` of import and commit. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { applyChanges } from "../../../core/image/change.ts";

test("every instruction changes its key", () => {
  assert.deepEqual(
    applyChanges({ Env: ["PATH=/bin", "A=0"], WorkingDir: "/srv" }, [
      'CMD ["sh","-c","x y"]',
      "entrypoint foo bar",
      'ENV A=b C="d e"',
      "ENV F=g h",
      "ENV OLD some text",
      "EXPOSE 80 90/udp 1000-1001",
      'LABEL x=y z="a b"',
      "ONBUILD RUN make",
      "STOPSIGNAL SIGUSR1",
      "USER 1:2",
      'VOLUME ["/v w"]',
      "VOLUME /a /b",
      "WORKDIR sub",
    ]),
    {
      Cmd: ["sh", "-c", "x y"],
      Entrypoint: ["/bin/sh", "-c", "foo bar"],
      Env: ["PATH=/bin", "A=b", "C=d e", "F=g h", "OLD=some text"],
      ExposedPorts: { "80/tcp": {}, "90/udp": {}, "1000/tcp": {}, "1001/tcp": {} },
      Labels: { x: "y", z: "a b" },
      OnBuild: ["RUN make"],
      StopSignal: "SIGUSR1",
      User: "1:2",
      Volumes: { "/v w": {}, "/a": {}, "/b": {} },
      WorkingDir: "/srv/sub",
    },
  );
});

test("what is no instruction is refused in Podman's words", () => {
  const wrong: [string, RegExp][] = [
    ["FOO bar", /invalid instruction FOO/],
    ["CMD", /must be formatted as KEY VALUE/],
    ['CMD ["a",1]', /only strings/],
    ["CMD [oops", /not JSON/],
    ["EXPOSE 0", /ports/],
    ["EXPOSE 70000", /ports/],
    ["STOPSIGNAL NOPE", /not a signal/],
    ["ENV =x", /key must not be empty/],
  ];
  for (const [change, says] of wrong) assert.throws(() => applyChanges({}, [change]), says, change);
});
