/** Who may come, as the configuration says. */
import { createApiKeyAuthenticator } from "../auth/api-key.ts";
import {
  assertSafeExposure,
  combineAuthenticators,
  createOpenAuthenticator,
  isLoopback,
} from "../auth/exposure.ts";
import { createGoogleTokenAuthenticator } from "../auth/google-token.ts";
import type { Authenticate } from "../http/services.ts";
import type { GuardedConnector } from "../net/index.ts";
import type { Configuration } from "../settings.ts";

/** @throws LatentSyncError `forbidden` if strangers could reach the service without credentials. */
export function createAuthenticator(
  configuration: Configuration,
  connector: GuardedConnector,
): Authenticate {
  const { host, apiKeys, googleAudience, googleEmails, googleAdminEmails, noAuth } = configuration;
  const authenticators: Authenticate[] = [];
  if (apiKeys.length > 0) authenticators.push(createApiKeyAuthenticator({ keys: apiKeys }));
  if (googleAudience.length > 0) {
    authenticators.push(
      createGoogleTokenAuthenticator({
        audience: googleAudience,
        emails: googleEmails,
        adminEmails: googleAdminEmails,
        fetch: (url, request) => connector.fetch(url, request),
      }),
    );
  }
  const authenticated = authenticators.length > 0;
  assertSafeExposure({ host, authenticated, allowOpen: noAuth });
  if (authenticated) return combineAuthenticators(authenticators);
  return createOpenAuthenticator({ loopbackOnly: !noAuth && isLoopback(host) });
}
