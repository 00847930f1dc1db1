/** runc keeps the contract of runtime drivers. */
import { driver } from "../../../drivers/runtime/runc.ts";
import { conformanceTests } from "./run_conformance.ts";

conformanceTests(driver);
