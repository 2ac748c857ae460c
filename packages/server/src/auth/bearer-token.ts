const BEARER = /^Bearer +(\S+) *$/i;

/** The token of `Authorization: Bearer`. */
export function bearerToken(request: Request): string | undefined {
  return BEARER.exec(request.headers.get("authorization") ?? "")?.[1];
}
