/** Server-sent events over `fetch`, as `EventSource` cannot send headers. */

/**
 * @typedef {{ readonly id: string, readonly event: string, readonly data: string }} ServerEvent
 */

/**
 * The events of a stream of text, however it is cut.
 * @param {AsyncIterable<string>} parts
 * @returns {AsyncGenerator<ServerEvent, void>}
 */
export async function* parseEvents(parts) {
  let rest = "";
  for await (const part of parts) {
    rest += part;
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event) yield event;
    }
  }
}

/**
 * @param {string} block
 * @returns {ServerEvent | undefined}
 */
function parseBlock(block) {
  let id = "";
  let event = "message";
  /** @type {string[]} */
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value = ""] = /^(\w+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name === "id") id = value;
    if (name === "event") event = value;
    if (name === "data") data.push(value);
  }
  return data.length === 0 ? undefined : { id, event, data: data.join("\n") };
}

/**
 * The text of a body as it comes.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {AsyncGenerator<string, void>}
 */
export async function* textParts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
