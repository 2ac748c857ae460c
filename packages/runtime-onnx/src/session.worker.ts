import { OrtHost } from "./ort-host.ts";
import { serveSessions } from "./session-server.ts";

serveSessions(() => new OrtHost());
