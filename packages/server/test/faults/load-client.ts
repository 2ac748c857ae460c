/** A client that sends many requests over a fixed number of connections, and takes the time of each. */
import { type Dispatcher, Pool } from "undici";

export interface Timed {
  readonly status: number;
  readonly milliseconds: number;
  readonly headers: Dispatcher.ResponseData["headers"];
  readonly body: string;
}

/** Sends request after request on each connection, until all are answered. */
export async function sendAll(options: {
  readonly url: string;
  readonly connections: number;
  readonly requests: readonly {
    readonly method?: Dispatcher.HttpMethod;
    readonly path: string;
    readonly body?: object;
  }[];
}): Promise<readonly Timed[]> {
  const { url, connections, requests } = options;
  const pool = new Pool(url, { connections, pipelining: 1 });
  const answers: Timed[] = [];
  const rest = requests.values();
  const sendRest = async (): Promise<void> => {
    for (const { method = "POST", path, body } of rest) {
      const startedAt = performance.now();
      const answer = await pool.request({
        method,
        path,
        ...(body && {
          body: JSON.stringify(body),
          headers: { "content-type": "application/json" },
        }),
      });
      const text = await answer.body.text();
      const milliseconds = performance.now() - startedAt;
      answers.push({
        status: answer.statusCode,
        milliseconds,
        headers: answer.headers,
        body: text,
      });
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, sendRest));
  } finally {
    await pool.destroy();
  }
  return answers;
}
