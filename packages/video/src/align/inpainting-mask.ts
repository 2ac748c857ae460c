/** The fixed inpainting mask of LatentSync: which part of the aligned face is generated. */
import { LanczosResizer } from "./lanczos-resize.ts";

const MASK_SIZE = 256;

/**
 * The 256 x 256 mask by rows: `row:first-last[,first-last]` are the columns to generate, from that
 * row until the next one named; every other pixel is kept.
 */
const GENERATED_COLUMNS = `0: 95:9-77,178-246 128:9-247 135:9-246 136:10-246 149:10-245 150:11-245
  163:11-244 164:12-244 170:12-243 171:13-243 172:13-242 173:14-242 174:14-241 175:15-241
  176:15-240 177:16-240 178:16-239 179:17-238 180:18-238 181:18-237 182:19-236 184:20-235
  185:21-234 187:22-233 188:22-232 189:23-232 190:24-231 191:25-230 192:26-230 193:26-229
  194:27-228 195:28-228 196:29-227 197:30-226 198:31-225 199:32-224 200:33-223 201:34-223
  202:34-222 203:35-221 204:36-220 205:37-219 206:38-218 207:39-217 208:40-216 209:42-215
  210:43-214 211:44-213 212:45-212 213:47-211 214:48-210 215:49-208 216:51-207 217:52-206
  218:54-204 219:56-203 220:57-202 221:59-200 222:60-199 223:62-197 224:64-196 225:66-194
  226:68-192 227:70-191 228:72-189 229:74-187 230:76-185 231:78-183 232:80-180 233:82-178
  234:85-175 235:87-173 236:90-171 237:93-168 238:95-166 239:99-164 240:104-160 241:108-156
  242:131-152 243:`;

/** `[256, 256]` uint8: 255 = keep, 0 = generate. */
export function fixedMask(): Uint8Array {
  const mask = new Uint8Array(MASK_SIZE * MASK_SIZE).fill(255);
  const entries = GENERATED_COLUMNS.split(/\s+/).map((entry) => entry.split(":"));
  for (const [index, [row, columns]] of entries.entries()) {
    const end = Number(entries[index + 1]?.[0] ?? MASK_SIZE);
    for (const range of (columns ?? "").split(",").filter(Boolean)) {
      const [first, last] = range.split("-").map(Number) as [number, number];
      for (let y = Number(row); y < end; y++) {
        mask.fill(0, y * MASK_SIZE + first, y * MASK_SIZE + last + 1);
      }
    }
  }
  return mask;
}

/** `[resolution, resolution]` float32 in [0, 1]: 1 = keep, 0 = generate. */
export function createInpaintingMask(resolution: number): Float32Array {
  const resizer = new LanczosResizer({
    sourceWidth: MASK_SIZE,
    sourceHeight: MASK_SIZE,
    width: resolution,
    height: resolution,
    channels: 1,
  });
  return Float32Array.from(resizer.resize(fixedMask()), (value) => value / 255);
}
