// Told anew to each visitor, so that the server has to answer.
export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>Next.js</h1>
      <p>It was {new Date().toISOString()} on the server.</p>
    </main>
  );
}
