/**
 * What an output says about itself: that it is synthetic, and what made it. Every container has a
 * sentence for people and JSON for programs; MP4 and QuickTime also have an XMP packet with IPTC's
 * digital source type and the JSON, for which FFmpeg has no other place in QuickTime.
 */
import { extname } from "node:path";
import { DEFAULT_SEED, type LipSyncRequest, type ModelInfo, resolveSampling } from "@ls/core";
import { packageVersion } from "./version.ts";

/**
 * IPTC's term for media that a generative model has edited, inpainting for example.
 * Source: http://cv.iptc.org/newscodes/digitalsourcetype/
 */
export const DIGITAL_SOURCE_TYPE =
  "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";

/** What made a video. It holds no time and no path, so that the same run gives the same bytes. */
export interface Provenance {
  readonly digitalSourceType: string;
  readonly software: string;
  readonly version: string;
  readonly model: string;
  /** SHA-256 over the checkpoint's files, hex. */
  readonly modelSha256: string;
  /** Absent where the random numbers came from elsewhere. */
  readonly seed?: number;
  readonly settings: Readonly<Record<string, string | number>>;
}

export interface ProvenanceOptions {
  readonly model: Pick<ModelInfo, "name" | "hash">;
  /** Name of the runtime. */
  readonly runtime: string;
  readonly request: LipSyncRequest;
}

function describeProvenance({ model, runtime, request }: ProvenanceOptions): Provenance {
  const { guidanceInterval, ...sampling } = resolveSampling(request);
  return {
    digitalSourceType: DIGITAL_SOURCE_TYPE,
    software: "latentsync-ts",
    version: packageVersion(),
    model: model.name,
    modelSha256: model.hash,
    ...(request.random === undefined ? { seed: request.seed ?? DEFAULT_SEED } : {}),
    settings: { ...sampling, guidanceInterval: guidanceInterval.join(), runtime },
  };
}

/** Containers that FFmpeg, or `@ls/video` itself, puts an XMP packet into. */
const WITH_XMP: ReadonlySet<string> = new Set([".mp4", ".m4v", ".mov"]);

/** The tags of an output by FFmpeg's names, for `VideoWriterOptions.metadata`. */
export function provenanceTags(options: ProvenanceOptions): Readonly<Record<string, string>> {
  const provenance = describeProvenance(options);
  const tags = { comment: sentence(provenance), description: JSON.stringify(provenance) };
  return WITH_XMP.has(extname(options.request.output).toLowerCase())
    ? { ...tags, xmp: xmpPacket(provenance) }
    : { ...tags, digital_source_type: provenance.digitalSourceType };
}

function sentence({ software, version, model }: Provenance): string {
  return `Synthetic media: artificial intelligence made the mouth in this video speak (${software} ${version}, model ${model}).`;
}

/** Adobe's XMP, part 1: an RDF description between the marks of a packet that is not to be edited. */
function xmpPacket(provenance: Provenance): string {
  const { digitalSourceType, software, version, model } = provenance;
  const properties = [
    `<Iptc4xmpExt:DigitalSourceType>${escapeXml(digitalSourceType)}</Iptc4xmpExt:DigitalSourceType>`,
    `<Iptc4xmpExt:AISystemUsed>${escapeXml(model)}</Iptc4xmpExt:AISystemUsed>`,
    `<Iptc4xmpExt:AISystemVersionUsed>${escapeXml(provenance.modelSha256)}</Iptc4xmpExt:AISystemVersionUsed>`,
    `<latentsync:Run>${escapeXml(JSON.stringify(provenance))}</latentsync:Run>`,
    `<xmp:CreatorTool>${escapeXml(`${software} ${version}`)}</xmp:CreatorTool>`,
    `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escapeXml(sentence(provenance))}</rdf:li></rdf:Alt></dc:description>`,
  ];
  return [
    '<?xpacket begin="\u{feff}" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:latentsync="urn:latentsync-ts:provenance">',
    ...properties,
    "</rdf:Description>",
    "</rdf:RDF>",
    "</x:xmpmeta>",
    '<?xpacket end="r"?>',
  ].join("\n");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Characters that XML does not have, not even escaped, become question marks. */
function escapeXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "?")
    .replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
