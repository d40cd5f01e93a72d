// OpenAI's provider for the AI SDK, over the Responses API.

import { createOpenAI } from "@ai-sdk/openai";
import { AISDK } from "./ai_sdk.mjs";

export class Client extends AISDK {
  constructor(baseURL, apiKey, model) {
    super(createOpenAI({ baseURL, apiKey }).responses(model));
  }
}
