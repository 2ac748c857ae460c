/** Names what a text is that was sent instead of media, for errors. */

export interface TextKind {
  /** With its article: "an HLS playlist". */
  readonly name: string;
  /** It names other files or addresses for a decoder to open. */
  readonly leadsElsewhere: boolean;
}

const PLAYLISTS: readonly (readonly [RegExp, string])[] = [
  [/^#EXTM3U/i, "an HLS playlist"],
  [/^#EXT-X-/i, "an HLS playlist"],
  [/^ffconcat\b/i, "a concat script"],
  [/^file\s+\S/i, "a concat script"],
  [/^(?:subfile|concat|crypto|data|http|https|file|ftp|rtmp|rtsp|rtp|udp|tcp)[:,]/i, "an address"],
  [/^v=0\r?\n/, "a session description (SDP)"],
  [/^\[(?:playlist|reference)\]/i, "a playlist"],
  [/^#\s*VobSub index file/i, "a subtitle index"],
  [/^<\?xml|^<(?:MPD|ASX|SMIL|SmoothStreamingMedia|playlist|manifest|rss)\b/i, "an XML manifest"],
];

/** `undefined` if the bytes are no text. */
export function describeText(head: Buffer): TextKind | undefined {
  const text = decode(head);
  if (text === undefined) return undefined;
  const start = text.trimStart();
  for (const [pattern, name] of PLAYLISTS) {
    if (pattern.test(start)) return { name, leadsElsewhere: true };
  }
  const isPage = /^<(?:!doctype\s+html|html)\b/i.test(start);
  return { name: isPage ? "a web page" : "text", leadsElsewhere: false };
}

function decode(head: Buffer): string | undefined {
  if (head.length >= 2 && (head.readUInt16BE(0) === 0xfffe || head.readUInt16BE(0) === 0xfeff)) {
    const encoding = head.readUInt16BE(0) === 0xfffe ? "utf-16le" : "utf-16be";
    return new TextDecoder(encoding).decode(head);
  }
  const text = new TextDecoder("utf-8").decode(head);
  let controls = 0;
  for (const character of text) {
    const isControl = character < " " && !"\t\n\r\f".includes(character);
    if (isControl || character === "\ufffd") controls += 1;
  }
  // The last character may be cut in the middle.
  return controls <= 1 ? text : undefined;
}
