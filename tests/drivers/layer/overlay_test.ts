import { driver } from "../../../drivers/layer/overlay.ts";
import { conform } from "./conform.ts";

conform(driver);
