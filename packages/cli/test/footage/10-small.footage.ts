import { hardFaces } from "./hard-faces.ts";

const HD = { width: 1280, height: 720 } as const;
const FULL_HD = { width: 1920, height: 1080 } as const;

hardFaces(10, "small faces", [
  { name: "faces 80 px wide in 1280x720", showing: { ...HD, faceWidth: 80 } },
  { name: "faces 60 px wide in 1280x720", showing: { ...HD, faceWidth: 60 } },
  { name: "faces 50 px wide in 1280x720", showing: { ...HD, faceWidth: 50 } },
  { name: "faces 40 px wide in 1280x720", showing: { ...HD, faceWidth: 40 } },
  { name: "faces 35 px wide in 1280x720", showing: { ...HD, faceWidth: 35 } },
  { name: "faces 60 px wide in 1920x1080", showing: { ...FULL_HD, faceWidth: 60 } },
  { name: "faces 40 px wide in 1920x1080", showing: { ...FULL_HD, faceWidth: 40 } },
]);
