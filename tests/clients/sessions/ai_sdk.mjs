// What providers of the AI SDK have in common.

import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

export class AISDK {
  constructor(model) {
    this.model = model;
  }

  async ask(prompt) {
    const { text, usage } = await generateText({ model: this.model, prompt });
    return { text, tokens: usage.totalTokens };
  }

  async stream(prompt) {
    const pieces = [];
    for await (const text of streamText({ model: this.model, prompt }).textStream) pieces.push(text);
    return pieces;
  }

  async use_tools(prompt, given) {
    const called = [];
    const made = ({ name, description, parameters }) => {
      const execute = async (args) => called.push([name, args]) && `${name}: done`;
      return [name, tool({ description, inputSchema: jsonSchema(parameters), execute })];
    };
    const tools = Object.fromEntries(given.map((each) => made(each.function)));
    const done = streamText({ model: this.model, prompt, tools, stopWhen: stepCountIs(5) });
    return { called, text: await done.text, tokens: (await done.totalUsage).totalTokens };
  }

  async parse(prompt) {
    const shape = { type: "object", properties: { year: { type: "integer" } }, required: ["year"] };
    const schema = jsonSchema({ ...shape, additionalProperties: false });
    const { output } = await generateText({ model: this.model, prompt, output: Output.object({ schema }) });
    return output;
  }

  async talk(...questions) {
    const messages = [];
    const said = [];
    for (const content of questions) {
      messages.push({ role: "user", content });
      const { text, response } = await generateText({ model: this.model, messages });
      messages.push(...response.messages);
      said.push(text);
    }
    return said;
  }

  async leave(prompt) {
    const gone = new AbortController();
    for await (const text of streamText({ model: this.model, prompt, abortSignal: gone.signal }).textStream) {
      gone.abort();
      return text;
    }
  }
}
