/** One of several processes that write to the same database: `hammer.ts FOLDER`. */
import { join } from "node:path";
import {
  closeDatabase,
  meta,
  openDatabase,
  setMeta,
  transaction,
} from "../../../core/state/database.ts";
import { insertLayer } from "../../../core/state/layers.ts";
import type { LayerId } from "../../../core/terms.ts";

const db = openDatabase(join(process.argv[2]!, "state.db"), "boot-1");
for (let i = 0; i < 300; i++) {
  transaction(db, () => {
    setMeta(db, "counter", String(Number(meta(db, "counter") ?? 0) + 1));
    insertLayer(db, {
      id: `${process.pid}-${i}` as LayerId,
      parent: null,
      kind: "image",
      chainId: null,
      diffId: null,
      name: null,
      size: 0,
      created: "",
      writable: false,
      volatile: false,
    });
  });
}
closeDatabase(db);
