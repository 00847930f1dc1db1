import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isKnown } from "../../../drivers/layer/aufs_probe.ts";
import { driver } from "../../../drivers/layer/aufs.ts";
import { conform } from "./conform.ts";

const filesystems = readFileSync("/proc/filesystems", "utf8");
if (isKnown(filesystems)) conform(driver);
else {
  const reason = "/proc/filesystems does not list aufs";
  console.log(`skipped: the contract of layer drivers under aufs: ${reason}`);
  test("aufs keeps the contract of layer drivers", { skip: reason }, () => {});
}
