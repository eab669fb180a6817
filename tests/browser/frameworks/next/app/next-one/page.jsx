export default function Page() { return <h1>Page one</h1>; }
