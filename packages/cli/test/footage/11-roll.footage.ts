import { hardFaces } from "./hard-faces.ts";

const SMALL = { width: 640, height: 360, faceWidth: 80 } as const;

hardFaces(11, "roll", [
  ...[30, 60, 90, -45, -90].map((rollDegrees) => ({
    name: `heads rolled by ${rollDegrees} degrees`,
    showing: { ...SMALL, rollDegrees },
  })),
  {
    name: "heads 50 px wide rolled by 90 degrees in 1280x720",
    showing: { width: 1280, height: 720, faceWidth: 50, rollDegrees: 90 },
  },
]);
