export default function Page() { return <h1>Page two</h1>; }
