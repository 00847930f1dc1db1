/** `--storage-opt size=`, on the real executable, where the disk of the store has no project quotas. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { projectQuotaProblem } from "../../core/sys/project_quota.ts";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, withStore } from "./executable.ts";

test(
  "a size limit is refused with the reason, and what is no size by its own name",
  {
    skip: skipUnless({
      root: true,
      other: projectQuotaProblem("/tmp") === null && "/tmp has project quotas",
    }),
  },
  withStore((store) => {
    store.importBusybox();
    const refused = store.coracle(["run", "--rm", "--storage-opt", "size=10m", BUSYBOX, "true"]);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /cannot limit the size of layer/);
    assert.match(refused.stderr, /no project quotas|not mounted with "prjquota"/);
    for (const word of ["size=huge", "size=0", "inodes=5", "10m"]) {
      const wrong = store.coracle(["create", "--storage-opt", word, BUSYBOX]);
      assert.equal(wrong.status, 125);
      assert.match(wrong.stderr, /--storage-opt/);
    }
    assert.equal(store.ok(["ps", "-aq"]), "");
    assert.equal(store.ok(["system", "check"]), "The store is whole");
  }),
);
