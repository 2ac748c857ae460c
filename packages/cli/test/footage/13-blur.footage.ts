import { hardFaces } from "./hard-faces.ts";

const SIZE = { width: 640, height: 360 } as const;

hardFaces(13, "motion blur", [
  ...[0.1, 0.2, 0.3].map((blur) => ({
    name: `blurred along ${blur} of the face's width`,
    showing: { ...SIZE, faceWidth: 80, blur },
    // The points of a face that is smeared over so far are themselves smeared.
    maxError: 0.1,
    minFound: blur > 0.2 ? 0.6 : 1,
  })),
  {
    name: "faces 60 px wide blurred along 0.15 of their width in 1280x720",
    showing: { width: 1280, height: 720, faceWidth: 60, blur: 0.15 },
    maxError: 0.1,
  },
]);
