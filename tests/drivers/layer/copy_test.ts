import { driver } from "../../../drivers/layer/copy.ts";
import { conform } from "./conform.ts";

conform(driver);
