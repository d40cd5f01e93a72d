// OpenRouter's provider for the AI SDK.

import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { AISDK } from "./ai_sdk.mjs";

export class Client extends AISDK {
  constructor(baseURL, apiKey, model) {
    super(createOpenRouter({ baseURL, apiKey })(model));
  }
}
