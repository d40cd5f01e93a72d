// The AI SDK's provider for any server with OpenAI's API.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { AISDK } from "./ai_sdk.mjs";

export class Client extends AISDK {
  constructor(baseURL, apiKey, model) {
    super(createOpenAICompatible({ name: "ours", baseURL, apiKey })(model));
  }
}
