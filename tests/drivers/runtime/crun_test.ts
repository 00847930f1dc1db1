/** crun keeps the contract of runtime drivers. */
import { driver } from "../../../drivers/runtime/crun.ts";
import { conformanceTests } from "./run_conformance.ts";

conformanceTests(driver);
