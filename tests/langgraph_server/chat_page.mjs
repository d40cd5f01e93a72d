// Agent Chat UI without its looks: the hook it is built on, what it submits, and which messages it draws.
import { useStream } from "@langchain/langgraph-sdk/react";
import { createElement } from "react";
import { create } from "react-test-renderer";

const { url, turns } = JSON.parse(process.argv[2]);
const shown = [];
const pauses = [];
let stream;
let finished;

const textOf = (content) =>
  typeof content === "string" ? content : content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(" ");

function Page() {
  stream = useStream({
    apiUrl: url,
    assistantId: "fusion",
    fetchStateHistory: true,
    onFinish: () => finished(),
    onError: (error) => {
      throw error;
    },
  });
  const drawn = stream.messages.filter((message) => !message.id?.startsWith("do-not-render-"));
  shown.push(drawn.map((message) => [message.type, textOf(message.content)]));
  return null;
}

function submit({ id, text, context, resume }) {
  const options = { streamMode: ["values"], streamSubgraphs: true, streamResumable: true };
  if (resume) return stream.submit({}, { ...options, command: { resume } });
  const message = { id, type: "human", content: [{ type: "text", text }] };
  const optimisticValues = (before) => ({ ...before, messages: [...(before.messages ?? []), message] });
  return stream.submit({ messages: [message], context }, { ...options, context, optimisticValues });
}

const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

create(createElement(Page));
await until(() => stream);
for (const turn of turns) {
  const ended = new Promise((resolve) => (finished = resolve));
  submit(turn);
  await ended;
  await until(() => !stream.isLoading);
  pauses.push(stream.interrupt?.value?.action_requests?.[0]?.name ?? null);
}
process.stdout.write(JSON.stringify({ shown, pauses }), () => process.exit(0));
